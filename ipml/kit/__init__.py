"""Kit: small parts that several layers need and no library gives; each module is one noun and knows no listing or case."""
