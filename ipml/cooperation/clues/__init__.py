"""Cases for the police: few, good, and such that anybody can check them."""
