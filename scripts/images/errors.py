"""What stops a build of images and is not a fault of the builder."""


class Problem(Exception):
    """A message for the person who called; it says what to do."""
