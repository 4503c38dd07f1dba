"""Set-up that several folders of tests share."""
