"""Database servers that several rooms keep things in: how they are reached, and what their errors mean."""
