"""Networks handed to an authority: few and good cases that anyone can verify."""
