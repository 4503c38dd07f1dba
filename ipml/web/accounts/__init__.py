"""People who may log in: what each may do, their passwords, sessions and logins."""
