"""Views: what pages and commands show of a case, a seller, an appeal and of enforcement as a whole."""
