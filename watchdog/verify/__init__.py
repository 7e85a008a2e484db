"""What was meant and what is seen in, proof or problem out."""
