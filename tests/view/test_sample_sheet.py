"""Contact sheets of labelled pictures: every sample has its tile, its joints lie where they belong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from made_samples import made_sample, made_samples

from handloom.skeleton import HAND
from handloom.view.colours import joint_colours
from handloom.view.sample_sheet import sample_sheet


def test_samples_fill_rows_and_the_last_may_be_short():
    sheet = sample_sheet(made_samples(5), columns=3, tile=100)
    assert sheet.shape == (2 * 116, 300, 3)
    assert (sheet[116:, 200:] == sheet[-1, -1]).all()
    assert sample_sheet(made_samples(2), columns=6, tile=64).shape == (80, 128, 3)


def test_joints_are_drawn_at_their_place_in_pictures_of_any_shape():
    sample = made_sample(0)
    xy = np.full((21, 2), np.nan)
    xy[8] = [40.0, 10.0]
    hand = replace(sample.hands[0], xy=xy, visible=np.ones(21, bool), box=None)
    wide = replace(sample, image=np.zeros((48, 96, 3), np.uint8), hands=(hand,))
    sheet = sample_sheet([wide], tile=192)
    # Twice the size, in the middle of the tile's height.
    colour = joint_colours(HAND)[8]
    assert np.abs(sheet[48 + 20, 80].astype(int) - colour).max() < 40


def test_samples_without_a_picture_show_their_joints():
    bare = replace(made_sample(0), image=None)
    assert np.unique(sample_sheet([bare], tile=96)[:96].reshape(-1, 3), axis=0).shape[0] > 5
