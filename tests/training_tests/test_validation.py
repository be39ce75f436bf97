from pipeline.config.experiment import ValidationConfig
from pipeline.training.validation import set_aside

SUBJECTS = [f"image {number % 500}" for number in range(1000)]
"""Every image has two samples."""


def aside(subjects, num_samples, seed=0):
    trained_on, looked_at = set_aside(subjects, ValidationConfig(num_samples=num_samples), seed=seed)
    return trained_on.tolist(), looked_at


def test_no_sample_that_is_trained_on_shares_the_image_of_a_held_out_one():
    trained_on, looked_at = aside(SUBJECTS, 5)
    assert len(looked_at) == 5
    assert len(trained_on) == 994  # the sixth sample of three images is not looked at, and not trained on
    assert {SUBJECTS[place] for place in looked_at}.isdisjoint(SUBJECTS[place] for place in trained_on)
    assert trained_on == sorted(trained_on)


def test_at_most_one_sample_in_a_hundred_is_held_out():
    assert len(aside(SUBJECTS, 64)[1]) == 10
    assert aside(SUBJECTS[:99], 64) == (list(range(99)), [])
    assert aside([], 64) == ([], [])
    assert aside(SUBJECTS, 0) == (list(range(1000)), [])


def test_images_are_drawn_by_seed_and_content_wherever_they_stand():
    _, looked_at = aside(SUBJECTS, 4)
    _, moved = aside(SUBJECTS[::-1], 4)
    assert {SUBJECTS[place] for place in looked_at} == {SUBJECTS[::-1][place] for place in moved}
    assert aside(SUBJECTS, 4, seed=1)[1] != looked_at


def test_what_most_samples_are_about_is_never_held_out():
    subjects = ["logo"] * 900 + [f"image {number}" for number in range(100)]
    trained_on, looked_at = aside(subjects, 10)
    assert len(looked_at) == 10
    assert min(looked_at) >= 900
    assert len(trained_on) == 990
    assert aside(["logo"] * 1000, 10) == (list(range(1000)), [])
