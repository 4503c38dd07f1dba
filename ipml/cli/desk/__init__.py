"""Commands on the review desk: queue, sellers, evidence, messages, enforcement, cooperation and reports."""
