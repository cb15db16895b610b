// A mutating webhook as a Go engineer would write it with controller-runtime: unstructured objects, and a patch that
// is the difference of two of them. It does what Warmgate does for the benchmark's reviews: it points the model at a
// cache, adds GPUs and two annotations, and gives pods a readiness gate and a toleration. It decides on nothing else.
//
// Arguments: the files of the certificate and of its key. Prints the port that it listens on.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	logs "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

const (
	claim      = "bloom-0123456789"
	namespace  = "models"
	gpu        = "nvidia.com/gpu"
	gate       = "warmgate.dev/cache-warm"
	storageURI = "STORAGE_URI"
)

type object = map[string]any

func mutateService(service *unstructured.Unstructured) {
	containers, found, err := unstructured.NestedSlice(service.Object, "spec", "predictor", "containers")
	if err != nil || !found || len(containers) == 0 {
		return
	}
	container := containers[0].(object)
	uri := rewriteURI(container)
	if uri == "" {
		return
	}
	for _, list := range []string{"limits", "requests"} {
		_ = unstructured.SetNestedField(container, "1", "resources", list, gpu)
	}
	_ = unstructured.SetNestedSlice(service.Object, containers, "spec", "predictor", "containers")
	record, _ := json.Marshal(object{"locations": object{"predictor": object{"uri": uri, "cache": claim}}})
	annotations := service.GetAnnotations()
	annotations["warmgate.dev/original"] = string(record)
	annotations["warmgate.dev/caches"] = claim
	service.SetAnnotations(annotations)
}

// rewriteURI points the model of a container at the cache. It returns the URI that was there, if it was another one.
func rewriteURI(container object) string {
	env, _ := container["env"].([]any)
	for _, each := range env {
		variable := each.(object)
		uri, _ := variable["value"].(string)
		if variable["name"] == storageURI && !strings.HasPrefix(uri, "pvc://") {
			variable["value"] = "pvc://" + claim
			return uri
		}
	}
	return ""
}

func mutatePod(pod *unstructured.Unstructured) {
	appendTo(pod, object{"conditionType": gate}, "spec", "readinessGates")
	appendTo(pod, object{"key": gpu, "operator": "Exists", "effect": "NoSchedule"}, "spec", "tolerations")
}

func appendTo(pod *unstructured.Unstructured, element object, path ...string) {
	list, _, _ := unstructured.NestedSlice(pod.Object, path...)
	_ = unstructured.SetNestedSlice(pod.Object, append(list, element), path...)
}

func handler(mutate func(*unstructured.Unstructured)) http.Handler {
	return &admission.Webhook{
		Handler: admission.HandlerFunc(func(_ context.Context, request admission.Request) admission.Response {
			if request.Namespace != namespace {
				return admission.Allowed("")
			}
			reviewed := &unstructured.Unstructured{}
			if err := json.Unmarshal(request.Object.Raw, &reviewed.Object); err != nil {
				return admission.Errored(http.StatusBadRequest, err)
			}
			mutate(reviewed)
			mutated, err := json.Marshal(reviewed.Object)
			if err != nil {
				return admission.Errored(http.StatusInternalServerError, err)
			}
			return admission.PatchResponseFromRaw(request.Object.Raw, mutated)
		}),
	}
}

func main() {
	logs.SetLogger(logr.Discard())
	routes := http.NewServeMux()
	routes.Handle("/mutate-service", handler(mutateService))
	routes.Handle("/mutate-pod", handler(mutatePod))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	log.Fatal(http.ServeTLS(listener, routes, os.Args[1], os.Args[2]))
}
