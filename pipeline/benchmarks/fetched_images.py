"""Images of a benchmark that publishes addresses only: fetched once, made as the harness makes them, kept in a folder.

What cannot be had is told by address with its reason. Such rows are counted, and the benchmark's number is that of the
others, so it depends on the day.
"""

import hashlib
import io
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import httpx2
from PIL import Image, UnidentifiedImageError

from pipeline.core.errors import TransientError
from pipeline.core.files import write_bytes
from pipeline.core.pixel_budget import MOST_PIXELS, pixel_budget
from pipeline.core.progress import Progress
from pipeline.core.public_http import NotFetchedError, fetch_public, public_client

SIDE = 224
"""Pixels; the aspect ratio is not kept."""
QUALITY = 100
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
MAX_BYTES = 32 << 20
SECONDS = 10.0
"""For one image; as the harness waits."""
ATTEMPTS = 5
PAUSE_SECONDS = 1.0
"""Before the second attempt; before later ones longer."""
NUM_PARALLEL = 16


def fetch_images(urls: Iterable[str], *, folder: Path) -> Mapping[str, str]:
    """Fetch what is not in ``folder`` yet; returns the addresses without an image, with the reasons.

    Raises:
        TransientError: most of them may come later, so that it is the network; those that came are kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = list(dict.fromkeys(urls))
    missing = [url for url in wanted if not image_file(url, folder).exists()]
    progress = Progress("fetch images", total=len(wanted), unit="images", start=len(wanted) - len(missing))
    failed: dict[str, NotFetchedError] = {}
    with public_client(max_bytes=MAX_BYTES, seconds=SECONDS) as client, ThreadPoolExecutor(NUM_PARALLEL) as pool:
        asked = {pool.submit(_fetch, url, client, folder): url for url in missing}
        for future in as_completed(asked):
            if problem := future.result():
                failed[asked[future]] = problem
            progress.advance()
    progress.finish()
    late = [url for url, problem in failed.items() if problem.may_come]
    if 2 * len(late) > len(wanted):
        raise TransientError(
            f"{len(late)} of {len(wanted)} images could not be fetched now, such as {late[0]}: {failed[late[0]]}. "
            "Those that came are kept; run the same command again, where the internet is reached without a proxy"
        )
    return {url: str(problem) for url, problem in failed.items()}


def image_file(url: str, folder: Path) -> Path:
    """Where the image of an address lies."""
    return folder / f"{hashlib.sha256(url.encode(errors='surrogatepass')).hexdigest()}.jpg"


def _fetch(url: str, client: httpx2.Client, folder: Path) -> NotFetchedError | None:
    """Why there is no image; None when there is one now."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            write_bytes(image_file(url, folder), made(fetch_public(url, client)))
            return None
        except NotFetchedError as error:
            if not error.may_come or attempt == ATTEMPTS:
                return error
            time.sleep(PAUSE_SECONDS * attempt)
    raise AssertionError("the last attempt returns")


def made(content: bytes) -> bytes:
    """An image as the harness stores it.

    Raises:
        NotFetchedError: the bytes are no image.
    """
    try:
        with Image.open(io.BytesIO(content), formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise NotFetchedError(
                    f"{image.width}x{image.height} pixels are more than {MOST_PIXELS}", may_come=False
                )
            with pixel_budget().taking(image.width * image.height):
                whole = image.convert("RGB")
    except NotFetchedError:
        raise
    except UnidentifiedImageError as error:
        raise NotFetchedError(f"not an image in a known format ({', '.join(FORMATS)})", may_come=False) from error
    except Exception as error:  # decoders raise what they like for damaged bytes
        raise NotFetchedError(f"not a whole image: {error or type(error).__name__}", may_come=False) from error
    narrow = whole.resize((SIDE, whole.height), Image.Resampling.BICUBIC)  # at once, it depends on Pillow's version
    small, file = narrow.resize((SIDE, SIDE), Image.Resampling.BICUBIC), io.BytesIO()
    small.save(file, format="JPEG", quality=QUALITY)
    return file.getvalue()
