import pytest

from torc_watch.core.units import GIB, KIB, MIB
from torc_watch.core.wanted_memory import wanted_memory


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        pytest.param(
            "numpy.core._exceptions._ArrayMemoryError: Unable to allocate 45.0 GiB for an array "
            "with shape (6039797760,) and data type float64",
            45 * GIB,
            id="NumPy",
        ),
        pytest.param("MemoryError: Unable to allocate 512. KiB for an array", None, id="no digits"),
        pytest.param("MemoryError: Unable to allocate 512 bytes for an array", 512, id="bytes"),
        pytest.param("MemoryError: Unable to allocate 1.5 MiB for", 3 * MIB // 2, id="MiB"),
        pytest.param("MemoryError: Unable to allocate 2 TiB for", 2048 * GIB, id="TiB"),
        pytest.param("MemoryError: Unable to allocate 8.00 EiB for", None, id="no machine has it"),
        pytest.param("Error: cannot allocate vector of size 3.5 Gb", 7 * GIB // 2, id="R"),
        pytest.param("cannot allocate memory block of size 134217728 Tb", 2**67, id="R's blocks"),
        pytest.param(
            "slurmstepd: error: Job 50098285 exceeded memory limit (1062800 > 327680), being "
            "killed",
            1062800 * KIB,
            id="Slurm",
        ),
        pytest.param(
            "slurmstepd: error: Step 7.0 exceeded virtual memory limit (9 > 3)",
            9 * KIB,
            id="Slurm, virtual",
        ),
        pytest.param(
            "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB",
            None,
            id="CUDA",
        ),
        pytest.param("GPU 0: Unable to allocate 2.00 GiB", None, id="of a GPU"),
        pytest.param("HIP error: Unable to allocate 2.00 GiB", None, id="HIP"),
        pytest.param("on device 0: Unable to allocate 2.00 GiB", None, id="of a device"),
        pytest.param("MemoryError", None, id="no size"),
    ],
)
def test_wanted_memory(line: str, wanted: int | None) -> None:
    assert wanted_memory(line) == wanted
