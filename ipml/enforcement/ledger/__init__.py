"""What wrongful takedowns cost honest sellers, beside what right ones caught, and whether the errors fall fairly."""
