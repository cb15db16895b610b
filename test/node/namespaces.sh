# sh namespaces.sh FOLDER ADDRESS: furnishes new namespaces for a node, says so in FOLDER/holder, and holds them until it is
# killed. It is the first process of its PID namespace. What the node's programs write, wherever they write it, stays in
# here: in memory, and gone with the mount namespace.
set -e
folder=$1

# /proc is still the machine's: this is the number by which others know this process.
read -r pid rest </proc/self/stat
mount -t proc proc /proc

# What a container mounts may have to be seen by kubelet, and by other containers.
mount --make-rshared /
mount -t tmpfs tmpfs /run
# Of one segment, as Fluid's CSI driver takes for granted where it looks for mounts that are broken.
mount -t tmpfs tmpfs /srv
mkdir -p /run/node/upper /run/node/work /run/node/sysctl
mount -t overlay overlay -o lowerdir=/var,upperdir=/run/node/upper,workdir=/run/node/work /var
for state in containerd kubelet; do
  mkdir -p /var/lib/$state
  # Large images and volumes are on disk, in the node's folder.
  if [ -d "$folder/$state" ]; then
    mount --bind "$folder/$state" /var/lib/$state
    mount --make-shared /var/lib/$state
  else mount -t tmpfs tmpfs /var/lib/$state; fi
done

# Kubelet insists on settings of the kernel, which are the whole machine's. It may have these instead.
for setting in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops \
  kernel/keys/root_maxkeys kernel/keys/root_maxbytes; do
  copy=/run/node/sysctl/$(basename $setting)
  cat /proc/sys/$setting >"$copy"
  mount --bind "$copy" /proc/sys/$setting
done

ip link set lo up
# The node's address: kubelet wants one that is not loopback's, and there may be no other interface.
ip address add "$2/32" dev lo
# The address of the Service `kubernetes`: forward.ts answers there in place of kube-proxy.
ip address add 10.96.0.1/32 dev lo
# Programs that use the node's network look up its name.
echo node >/proc/sys/kernel/hostname
printf '127.0.0.1 localhost\n%s node\n' "$2" >/run/node/hosts
mount --bind /run/node/hosts /etc/hosts

echo "$pid" >"$folder/holder.new"
mv "$folder/holder.new" "$folder/holder"
# Processes that lose their parent become this one's children, and are not waited for.
trap '' CHLD
exec sleep infinity
