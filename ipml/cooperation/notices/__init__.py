"""What others tell the platform: notices of rights holders and consumers, and what came of them."""
