"""Pages of those who run the console: accounts, policies, queues, lists, jobs and deliveries."""
