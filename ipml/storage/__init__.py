"""Storage: the database engine, tables, migrations, outbox and audit trail."""
