"""Networks handed to an authority: few cases, good ones, and such that anybody can check them."""
