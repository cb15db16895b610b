// registrar SOCKET DRIVER ENDPOINT: announces a CSI driver to kubelet, as Kubernetes' node-driver-registrar does
// beside a driver. SOCKET is in kubelet's folder of plugins, ENDPOINT is where the driver answers.
package main

import (
	"context"
	"log"
	"net"
	"os"

	"google.golang.org/grpc"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"
)

type announcement struct {
	registration.UnimplementedRegistrationServer
	driver, endpoint string
}

func (a announcement) GetInfo(context.Context, *registration.InfoRequest) (*registration.PluginInfo, error) {
	return &registration.PluginInfo{
		Type:              registration.CSIPlugin,
		Name:              a.driver,
		Endpoint:          a.endpoint,
		SupportedVersions: []string{"1.0.0"},
	}, nil
}

func (a announcement) NotifyRegistrationStatus(
	_ context.Context, status *registration.RegistrationStatus,
) (*registration.RegistrationStatusResponse, error) {
	if !status.PluginRegistered {
		log.Fatalf("kubelet does not take %s: %s", a.driver, status.Error)
	}
	log.Printf("kubelet takes %s", a.driver)
	return &registration.RegistrationStatusResponse{}, nil
}

func main() {
	if len(os.Args) != 4 {
		log.Fatalf("usage: %s SOCKET DRIVER ENDPOINT", os.Args[0])
	}
	socket := os.Args[1]
	if err := os.Remove(socket); err != nil && !os.IsNotExist(err) {
		log.Fatal(err)
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	registration.RegisterRegistrationServer(server, announcement{driver: os.Args[2], endpoint: os.Args[3]})
	log.Fatal(server.Serve(listener))
}
