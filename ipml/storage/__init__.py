"""One database: engine, tables, migrations and the audit trail."""
