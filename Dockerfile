# chainnode in a container: built in one stage, run by a user without rights in another. docs/operators.md tells how to use it.
#   docker build -t chainnode .
# On aarch64, for which SM2's library has no wheel: docker build --build-arg EXTRAS= -t chainnode .

FROM python:3.12-slim AS build
# The compilers stay in this stage: C for chainnode/native (docs/adr/0005-native-verifier.md), C++ and LevelDB's headers for plyvel,
# which has a wheel for x86-64 alone.
RUN apt-get update && apt-get install --yes --no-install-recommends g++ libc6-dev libleveldb-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY pyproject.toml setup.py MANIFEST.in README.md ./
COPY chainnode chainnode
COPY contracts contracts
ARG EXTRAS=[sm]
# No image goes without the C code because of a fault of the compiler.
ENV CHAINNODE_C=required CFLAGS=-g0
RUN python -m venv --without-pip /opt/chainnode && python -m pip --python /opt/chainnode/bin/python install --no-cache-dir ".$EXTRAS"

FROM python:3.12-slim
RUN apt-get update && apt-get install --yes --no-install-recommends libleveldb1d && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --home-dir /node --uid 10001 chainnode && install -d -o chainnode /node/home
COPY --from=build /opt/chainnode /opt/chainnode
ENV PATH=/opt/chainnode/bin:$PATH PYTHONUNBUFFERED=1
# By number, so that an orchestrator sees that it is not root.
USER 10001
WORKDIR /node
VOLUME /node/home
EXPOSE 26656 26657
# The process answers. Whether it has caught up tells /readyz, which is for who sends it work: a node that copies blocks must not be
# restarted for it. The API listens where [api] listen says; 26657 unless changed.
HEALTHCHECK --interval=15s --timeout=3s --start-period=5m --retries=4 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:26657/livez', timeout=2)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["chainnode"]
CMD ["run", "--home", "/node/home"]
