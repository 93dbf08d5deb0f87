"""The main job, whole: see phone_day.py."""
import phone_day
from lib.check import limetta_only


@limetta_only
def test_phone_day(make):
    phone_day.main()
