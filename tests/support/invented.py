"""A mark for tests that put invented bodies into the outbox, where only their way counts, not what they say."""

import pytest

invented_messages = pytest.mark.filterwarnings("ignore::ipml.storage.message_kinds.UndocumentedMessage")
