"""What the two standards allow in a document, as data, and the check that names what they do not."""
