"""Sellers: their listings, history, record, portfolios and lists."""
