#!/usr/bin/env bash
# Makes the environment .venv on a cluster with AMD GPUs: torch for ROCm, then gesturelab.
#
#   TORCH_INDEX=ADDRESS slurm/setup_amd.sh     ADDRESS: what the command at https://pytorch.org/get-started/locally
#                                              for Linux, Pip, ROCm says after --index-url
#   MODULES='rocm/6.3 python/3.11' VENV=/scratch/me/venv TORCH_INDEX=... slurm/setup_amd.sh
#   TORCH_INDEX= slurm/setup_amd.sh            the torch that pip finds by itself, to try things out without a GPU
#
# Run it where there is a network: mostly on a login node. It ends with what torch sees; on a login node that is no GPU.
# Not tried on AMD hardware yet.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
VENV=${VENV:-.venv}
PYTHON=${PYTHON:-python3}

if [[ -n ${MODULES:-} ]]; then
  type module >/dev/null 2>&1 || . "${MODULESHOME:-/usr/share/modules}/init/bash"
  set +u # module is not made for it
  for module in $MODULES; do module load "$module"; done
  set -u
fi

if [[ -z ${TORCH_INDEX+set} ]]; then
  rocm=$(cat "${ROCM_PATH:-/opt/rocm}/.info/version" 2>/dev/null || echo 'not found here')
  echo "Say where torch for ROCm is: TORCH_INDEX=ADDRESS $0" >&2
  echo "ADDRESS is what https://pytorch.org/get-started/locally shows after --index-url for Linux, Pip and ROCm." >&2
  echo "Take the ROCm nearest to this machine's: $rocm" >&2
  exit 1
fi

"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
  echo "gesturelab needs Python 3.11 or newer, but $PYTHON is $("$PYTHON" -V 2>&1); name another: PYTHON=python3.12 $0" >&2
  exit 1
}
[[ -x $VENV/bin/python ]] || "$PYTHON" -m venv "$VENV"
pip=("$VENV/bin/python" -m pip install --disable-pip-version-check --quiet)

index=()
[[ -z $TORCH_INDEX ]] || index=(--index-url "$TORCH_INDEX")
echo "torch"
"${pip[@]}" "${index[@]}" torch || {
  echo "There is no torch for this Python at '$TORCH_INDEX'; take another ROCm, or another Python with PYTHON=" >&2
  exit 1
}
# the torch that is there stays, whatever its version
"$VENV/bin/python" -m pip freeze --disable-pip-version-check | grep '^torch==' >"$VENV/constraints.txt"
grep -v '^torch==' constraints.txt >>"$VENV/constraints.txt"
echo "gesturelab"
"${pip[@]}" --constraint "$VENV/constraints.txt" --editable .
mkdir -p logs # where slurm/gesturelab.sbatch writes

"$VENV/bin/python" - <<'PYTHON'
import torch

gpus = torch.cuda.device_count()
seen = ", ".join(torch.cuda.get_device_name(number) for number in range(gpus)) or "no GPU from here"
print(f"torch {torch.__version__}, HIP {torch.version.hip}: {seen}")
PYTHON
echo "Next: . $VENV/bin/activate, then gesturelab train -m model=tiny,small hydra/launcher=slurm_amd --dry-run"
