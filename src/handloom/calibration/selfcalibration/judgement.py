"""What there is to say about a rig found from keypoints: findings with numbers and what to do."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from handloom.calibration.findings import Finding, Name, Severity
from handloom.calibration.selfcalibration.adjustment import Adjustment
from handloom.calibration.selfcalibration.pairwise import PairwiseFit
from handloom.calibration.selfcalibration.result import BIAS
from handloom.calibration.selfcalibration.tracks import NOISE, KeypointTracks

Array = NDArray[np.float64]

DOUBTFUL_ROTATION_DEG, LOST_ROTATION_DEG = 2.0, 8.0
NARROW_DEG, FLAT_DEG = 5.0, 1.5
FEW_FRAMES = 100
OUT_OF_STEP_FRAMES, OUT_OF_STEP_SIGMAS = 0.5, 4.0
NOISY = 3.0
LEAST_USED = 0.5
CONTRADICTION = 0.1

_MOVE = (
    "Record longer, with somebody who moves through all of the space that the cameras share, near and far."
)


def judge(
    tracks: KeypointTracks,
    adjustment: Adjustment,
    fit: PairwiseFit,
    *,
    synchronised: bool,
    scale_ratios: Mapping[str, float] | None,
) -> tuple[Finding, ...]:
    """Findings, errors first.

    Args:
        tracks: the keypoints on the common clock.
        adjustment: the rig they gave.
        fit: its certainty, and the offsets that the keypoints ask for beyond those used.
        synchronised: whether those offsets were left out.
        scale_ratios: every given length's own answer about the scale; None if there was none.
    """
    findings = [
        *_certainty(tracks, adjustment, fit),
        *_parallax(tracks, adjustment),
        *(_clock(tracks, fit) if synchronised else ()),
        *_noise(tracks, adjustment),
        *_scale(scale_ratios),
    ]
    order = list(Severity)
    return tuple(sorted(findings, key=lambda finding: order.index(finding.severity)))


def parallax_deg(adjustment: Adjustment) -> Array:
    """(C,) per camera, the largest median angle at which its lines of sight meet those of another."""
    centers = -np.einsum("cji,cj->ci", adjustment.poses[:, :3, :3], adjustment.poses[:, :3, 3])
    rays = adjustment.points[None] - centers[:, None, None]
    rays = rays / np.linalg.norm(rays, axis=-1, keepdims=True)
    angles = np.zeros(len(centers))
    for a in range(len(centers)):
        for b in range(len(centers)):
            both = adjustment.used[a] & adjustment.used[b]
            if a != b and both.any():
                cosine = np.clip((rays[a][both] * rays[b][both]).sum(axis=-1), -1.0, 1.0)
                angles[a] = max(angles[a], float(np.degrees(np.median(np.arccos(cosine)))))
    return angles


def _certainty(tracks: KeypointTracks, adjustment: Adjustment, fit: PairwiseFit) -> list[Finding]:
    worst = np.degrees(fit.rotation_std_rad.max(axis=1))
    doubtful = np.flatnonzero(worst > DOUBTFUL_ROTATION_DEG)
    if not len(doubtful):
        return []
    frames = int(adjustment.used.any(axis=(0, 2)).sum())
    names = tuple(tracks.cameras[c] for c in doubtful)
    camera = int(worst.argmax())
    few = frames < FEW_FRAMES
    spread = _spread_share(tracks)
    return [
        Finding(
            Name.too_few_views if few else Name.centre_only,
            Severity.error if worst.max() > LOST_ROTATION_DEG else Severity.warning,
            f"The rotation of {tracks.cameras[camera]} is only known to ±{worst.max():.1f}°: keypoints come"
            f" from {frames} frames and spread over {100 * spread:.0f} % of the pictures.",
            _MOVE,
            names,
            {"rotation_std_deg": float(worst.max()), "frames": float(frames), "spread": spread},
        )
    ]


def _spread_share(tracks: KeypointTracks) -> float:
    """Least share of a picture's width or height, over the cameras, that keypoints cover (middle 90 %)."""
    shares = []
    for c in range(len(tracks.cameras)):
        xy = tracks.xy[c][tracks.sound[c]]
        if len(xy):
            low, high = np.percentile(xy, [5, 95], axis=0)
            shares.append(float((high - low).max() / max(np.abs(xy).max(), 1.0)))
    return min(shares, default=0.0)


def _parallax(tracks: KeypointTracks, adjustment: Adjustment) -> list[Finding]:
    angles = parallax_deg(adjustment)
    narrow = np.flatnonzero(angles < NARROW_DEG)
    if not len(narrow):
        return []
    names = tuple(tracks.cameras[c] for c in narrow)
    return [
        Finding(
            Name.narrow_baseline,
            Severity.error if angles.min() < FLAT_DEG else Severity.warning,
            f"{' and '.join(names)} see the keypoints from nearly the same direction as the other cameras"
            f" ({angles.min():.1f}° apart), which leaves depth uncertain.",
            "Place the cameras further apart, so that their lines of sight meet at 30° to 120°.",
            names,
            {"parallax_deg": float(angles.min())},
        )
    ]


def _clock(tracks: KeypointTracks, fit: PairwiseFit) -> list[Finding]:
    frames, sigma = fit.offsets_s * tracks.fps, fit.offsets_std_s * tracks.fps
    late = np.flatnonzero(
        np.isfinite(sigma) & (np.abs(frames) > np.maximum(OUT_OF_STEP_SIGMAS * sigma, OUT_OF_STEP_FRAMES))
    )
    if not len(late):
        return []
    told = ", ".join(f"{tracks.cameras[c]} by {frames[c]:+.1f} ± {sigma[c]:.1f} frames" for c in late)
    return [
        Finding(
            Name.unsynchronised,
            Severity.error if np.abs(frames).max() > 2.0 else Severity.warning,
            f"The cameras are out of step with {tracks.cameras[0]}: {told}.",
            "Let the offsets be estimated, or give them.",
            tuple(tracks.cameras[c] for c in late),
            {"offset_frames": float(frames[np.abs(frames).argmax()])},
        )
    ]


def _noise(tracks: KeypointTracks, adjustment: Adjustment) -> list[Finding]:
    expected = tracks.sigma_px()
    with np.errstate(invalid="ignore"):
        ratio = np.linalg.norm(adjustment.residuals, axis=-1) / expected / 1.1774
    spread = float(np.nanmedian(ratio[np.isfinite(adjustment.points[..., 0])[None] & tracks.sound]))
    rms = float(np.sqrt((adjustment.residuals[adjustment.used] ** 2).sum(axis=-1).mean()))
    shared = tracks.sound & (tracks.sound.sum(axis=0) >= 2)
    share = float(adjustment.used.sum() / max(shared.sum(), 1))
    numbers = {"rms_px": rms, "relative_noise": spread * NOISE, "share_used": share}
    if share < LEAST_USED:
        return [
            Finding(
                Name.large_residual,
                Severity.error,
                f"Only {100 * share:.0f} % of the keypoints that several cameras see fit the rig found.",
                "Check that the lenses belong to these videos, and that these show one scene at one time.",
                (),
                numbers,
            )
        ]
    told = f"The keypoints of different cameras agree to {rms:.1f} px. {BIAS}"
    if spread <= NOISY:
        return [
            Finding(Name.large_residual, Severity.note, told, "Use a board where that matters.", (), numbers)
        ]
    return [
        Finding(
            Name.large_residual,
            Severity.warning,
            f"The keypoints of different cameras disagree by {100 * spread * NOISE:.1f} % of the size of what"
            f" they belong to ({rms:.1f} px), three times as much as networks usually do.",
            "Check that the lenses belong to these videos, that these are synchronised and show one scene.",
            (),
            numbers,
        )
    ]


def _scale(ratios: Mapping[str, float] | None) -> list[Finding]:
    if ratios is None:
        return [
            Finding(
                Name.scale_unknown,
                Severity.warning,
                "Nothing says how large anything is, so the rig has no unit.",
                "Give the length of a bone, or the distance between two cameras.",
            )
        ]
    values = np.array(list(ratios.values()))
    disagreement = float(values.max() / values.min() - 1.0)
    if disagreement <= CONTRADICTION:
        return []
    told = ", ".join(f"{name} {ratio / np.median(values):.2f}" for name, ratio in ratios.items())
    return [
        Finding(
            Name.scale_unknown,
            Severity.warning,
            f"The given lengths contradict each other by {100 * disagreement:.0f} %; the scales they ask for,"
            f" against the one used: {told}.",
            "Measure them again, between the joints' centres.",
            (),
            {"disagreement": disagreement},
        )
    ]
