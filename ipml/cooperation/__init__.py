"""Cooperation with others: notices received, networks behind sellers, referrals and reports."""
