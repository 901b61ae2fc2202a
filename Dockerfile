# The image of a node. It needs no secrets and no network but npm's, and everything comes from the lock file.
FROM node:24-bookworm-slim AS base
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund

FROM base AS build
COPY tsconfig.json ./
COPY src src
RUN npm run build

FROM base AS packages
RUN npm prune --omit=dev --ignore-scripts --no-audit --no-fund

FROM node:24-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=packages /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY package.json LICENSE ./
# The load test, for a Job beside the nodes.
COPY scripts/loadtest.mjs scripts/
COPY scripts/lib/fail.mjs scripts/lib/token.mjs scripts/lib/wait.mjs scripts/lib/
COPY scripts/lib/loadtest scripts/lib/loadtest
COPY scripts/lib/stress scripts/lib/stress
# The user `node`, by number so that a cluster can tell that it is not root.
USER 1000:1000
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT || 8000}/healthz`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# Node itself is the first process: it gets SIGTERM, and drains.
STOPSIGNAL SIGTERM
CMD ["node", "--enable-source-maps", "dist/main.js"]
