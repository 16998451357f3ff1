"""What all tests share: generated examples take as long as a busy machine needs."""

from hypothesis import settings

settings.register_profile("lamplighter", deadline=None, print_blob=True)
settings.load_profile("lamplighter")
