"""Networks: sellers linked by shared attributes, with the evidence of each link, roles and sales."""
