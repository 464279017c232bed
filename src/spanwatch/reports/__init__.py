"""What the store holds, as people and programs read it: reports and their sections, as text and JSON."""
