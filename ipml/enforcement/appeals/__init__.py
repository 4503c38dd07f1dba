"""Appeals: complaints and counter-notices of sellers, with their deadlines."""
