# syntax=docker/dockerfile:1
#
#   docker build --tag govuk-chat-frontend .                                    the service
#   docker build --tag govuk-chat-frontend:cdp --target cdp .                   the same on DEFRA's parent image
#   docker build --tag chat-agent-simulator --target agent-simulator .          an agent to try it with
#
# The tags below name versions. Whoever deploys puts digests in their place (docs/deployment.md, "The image").
# test/deploy/image.test.ts plays these instructions and runs what comes out, so it knows FROM, ARG, WORKDIR, COPY, RUN, ENV,
# USER, EXPOSE, VOLUME, ENTRYPOINT and CMD in the forms that are used here, and refuses any other.

# The Node that the tests run with. It comes from the image, never from the "node" package of package.json.
ARG NODE_VERSION=24.21.0
# DEFRA's parent image moves within Node 24: https://hub.docker.com/r/defradigital/node
ARG PARENT_VERSION=latest-24

# ── 1. What browsers load ────────────────────────────────────────────────────────────────────────────────────────────────────
FROM node:${NODE_VERSION}-trixie-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# Without scripts: those of esbuild and sass are not needed, and that of "node" would fetch a second Node.
RUN npm ci --ignore-scripts
COPY scripts/build.ts scripts/build.ts
COPY src src
RUN node scripts/build.ts

# ── 2. What runs ─────────────────────────────────────────────────────────────────────────────────────────────────────────────
FROM node:${NODE_VERSION}-trixie-slim AS app
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --omit=optional --ignore-scripts && rm package-lock.json .npmrc
COPY guidance guidance
COPY src src
RUN rm -r src/agent-simulator src/browser && mkdir data
COPY --from=build /app/dist dist

# ── An agent that fails on command, to try things with. Not for production. ─────────────────────────────────────────────────
FROM gcr.io/distroless/nodejs24-debian13:nonroot AS agent-simulator
WORKDIR /app
COPY --from=app /app/package.json package.json
COPY --from=app /app/node_modules node_modules
COPY --from=app /app/guidance guidance
COPY src src
USER 65532:65532
EXPOSE 3001
ENTRYPOINT ["/nodejs/bin/node"]
CMD ["src/agent-simulator/main.ts", "--host", "0.0.0.0"]

# ── The service on DEFRA's parent image: the platform checks health with curl from inside the container. ────────────────────
FROM defradigital/node:${PARENT_VERSION} AS cdp
USER root
RUN apk add --no-cache curl
WORKDIR /app
COPY --from=app /app ./
ARG BUILD_COMMIT
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000 NODE_OPTIONS=--max-old-space-size-percentage=75 BUILD_COMMIT=${BUILD_COMMIT}
USER node
EXPOSE 3000
ENTRYPOINT ["node"]
CMD ["src/app/main.ts"]

# ── 3. The service: no shell, no npm, and nothing in it that its user could change but /app/data. ───────────────────────────
FROM gcr.io/distroless/nodejs24-debian13:nonroot AS service
WORKDIR /app
COPY --from=app /app ./
COPY --from=app --chown=65532:65532 /app/data data
# The tests say nothing about an older Node than theirs, so an image that brings one is not built.
RUN ["/nodejs/bin/node", "--eval", "const [a, b] = [process.versions.node, require('./package.json').devDependencies.node].map((v) => v.split('.').map(Number)); if (a[0] !== b[0] || a[1] < b[1]) throw new Error(`This image has Node ${a.join('.')}; the tests ran with ${b.join('.')}.`)"]
# The commit, for the metric chat_build_info: --build-arg BUILD_COMMIT="$(git rev-parse HEAD)".
ARG BUILD_COMMIT
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000 DATA_DIR=/app/data NODE_OPTIONS=--max-old-space-size-percentage=75 BUILD_COMMIT=${BUILD_COMMIT}
USER 65532:65532
VOLUME /app/data
EXPOSE 3000
# No HEALTHCHECK: whoever runs it asks /live and /ready from outside, and Docker's own check would start a Node each time.
ENTRYPOINT ["/nodejs/bin/node"]
CMD ["src/app/main.ts"]
