# chainnode in a container: built in one stage, run by a user without rights in another.
#   docker build -t chainnode .
#   docker run -v my-node:/node/home chainnode init --home /node/home --chain-id my-1 --api 0.0.0.0:26657 ...
#   docker run -v my-node:/node/home -p 127.0.0.1:26657:26657 -p 26656:26656 chainnode

FROM python:3.12-slim AS build
# The compiler stays in this stage; it builds the verifier of signatures (docs/adr/0005-native-verifier.md).
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY pyproject.toml setup.py MANIFEST.in README.md ./
COPY chainnode chainnode
COPY contracts contracts
RUN python -m venv /opt/chainnode && /opt/chainnode/bin/pip install --no-cache-dir ".[sm]"

FROM python:3.12-slim
RUN useradd --create-home --home-dir /node --uid 10001 chainnode && install -d -o chainnode /node/home
COPY --from=build /opt/chainnode /opt/chainnode
ENV PATH=/opt/chainnode/bin:$PATH PYTHONUNBUFFERED=1
USER chainnode
WORKDIR /node
VOLUME /node/home
EXPOSE 26656 26657
# Live, and at most a few blocks behind its peers. The API listens where [api] listen says; 26657 unless changed.
HEALTHCHECK --interval=15s --timeout=3s --start-period=30s --retries=4 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:26657/readyz', timeout=2)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["chainnode"]
CMD ["run", "--home", "/node/home"]
