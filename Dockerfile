# The base is an argument so that it can be pinned by digest or replaced by a mirror; both stages share it, because a
# virtual environment works only with the Python it was made with.
ARG BASE_IMAGE=docker.io/library/python:3.13-slim

FROM ${BASE_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1 \
    UV_PYTHON_DOWNLOADS=never \
    UV_PROJECT_ENVIRONMENT=/opt/tidemill
RUN python -m venv /uv && /uv/bin/pip install --quiet uv==0.13.9
WORKDIR /src

# The locked dependencies, each checked by its hash: a layer of their own, made anew only when the lock file changes.
COPY pyproject.toml uv.lock README.md LICENSE ./
RUN /uv/bin/uv sync --quiet --locked --no-default-groups --all-extras --no-install-project \
 && UV_PROJECT_ENVIRONMENT=/build /uv/bin/uv sync --quiet --locked --only-group build

# The wheel, built by the locked builder and installed as it would be anywhere else: the checkout stays behind.
COPY . .
RUN /build/bin/python -m hatchling build -t wheel -d /wheel \
 && /uv/bin/uv pip install --quiet --python /opt/tidemill/bin/python --no-deps --no-index /wheel/*.whl

FROM ${BASE_IMAGE}
LABEL org.opencontainers.image.title="tidemill" \
      org.opencontainers.image.description="A Kafka-driven streaming scoring microservice" \
      org.opencontainers.image.licenses="Apache-2.0"

# Nothing is installed in this image once it is built.
RUN python -m pip uninstall --quiet --yes --root-user-action=ignore pip

COPY --from=build /opt/tidemill /opt/tidemill
# HOME: a user without an entry in /etc/passwd has none, and the root file system may be read-only.
ENV PATH=/opt/tidemill/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TIDEMILL_CONFIG=/etc/tidemill/tidemill.yaml
WORKDIR /tmp
USER 10001:10001
EXPOSE 8081
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s CMD ["python", "-c", \
    "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ.get('TIDEMILL_ADMIN__PORT', '8081') + '/livez', timeout=3)"]
ENTRYPOINT ["tidemill"]
CMD ["--help"]
