# Signalbox's console, worker and migrations: one image, the command says which.
FROM node:20-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts
COPY . .
RUN npm run build && npm prune --omit=dev --ignore-scripts

FROM node:20-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build --chown=root:root /app ./
USER node
EXPOSE 4400
# The flags, as a worker that is a child is given them: see runtime/platform/worker-child.ts.
ENTRYPOINT ["node", "--no-turbo-inline-js-wasm-calls", "--max-semi-space-size=32", "dist/runtime/cli/main.js"]
CMD ["--help"]
