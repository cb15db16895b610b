# make demo, make test: each sets up what it needs. Node and Go must be there; everything else is fetched or built.
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

.PHONY: help demo test check unit build image release deploy deploy-demo site binaries properties bench bench-check bench-scale bench-start bench-availability headline clean

help: ## What can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: node_modules ## The main job on a real control plane, in the terminal
	@node demo/main.ts --picture docs/demo.svg

test: node_modules ## Every check and every suite; the last line counts them
	@node test/all.ts

check: node_modules ## Linter, formatter, types, unused code
	@npm run --silent check

unit: node_modules ## Unit and property tests: seconds, and nothing is built
	@npm test --silent

build: node_modules ## The one executable, dist/warmgate.mjs
	@npm run --silent build

image: node_modules ## The image, as an OCI archive in dist: no registry, no daemon
	@node release/image.ts

release: node_modules ## All files of a release in dist/release (IMAGE=repository URL=address)
	@node release/main.ts $(if $(IMAGE),--image $(IMAGE)) $(if $(URL),--url $(URL))

deploy: ## Warmgate into the cluster of kubectl's current context
	@kubectl config current-context
	kubectl apply --server-side -k manifests/base
	kubectl rollout status deployment/warmgate --namespace warmgate-system --timeout 2m

deploy-demo: deploy ## The same, with the demo's policy
	kubectl apply --server-side -f demo/manifests/policy.yaml

site: node_modules ## The docs as a site with search, in dist/site
	@npm ci --prefix docs/site --loglevel=error --no-audit --no-fund
	@npm run --silent --prefix docs/site build
	@node docs/site/links.mjs

binaries: node_modules ## Kubernetes, KWOK, KServe and Fluid, built once into a cache
	@node test/cluster/build.ts

properties: node_modules ## 105,000 services made from the schemas of KServe's CRDs
	@WARMGATE_PROPERTY_RUNS=35000 vitest run --project cluster test/property/crd.property.test.ts

bench: node_modules ## CPU per review, beside webhooks in Go and with Pepr
	@node bench/review.ts --go --pepr --out bench/reviews.json

bench-check: node_modules ## Whether a review costs more than it did
	@node bench/check.ts

bench-scale: node_modules ## What a replica needs as a cluster grows: memory, CPU per event
	@node bench/scale.ts

bench-start: node_modules ## How long a replica takes until it is ready
	@node bench/start.ts

bench-availability: node_modules ## What is missed while replicas, certificates, leaders and the API server change
	@node bench/availability.ts

headline: node_modules ## From a pod's creation to Ready, with and without Warmgate (ROUNDS, GIB, MINUTES): root, FUSE
	@node bench/headline.ts --rounds $(or $(ROUNDS),5) --gib $(or $(GIB),3.14) --minutes $(or $(MINUTES),120)

clean: ## What was made here; the cache of binaries stays
	rm -rf node_modules dist

# The lock file decides: an install that failed half-way is done again.
node_modules: package-lock.json
	@npm ci --loglevel=error --no-audit --no-fund
	@touch node_modules
