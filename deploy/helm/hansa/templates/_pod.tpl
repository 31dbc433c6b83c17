{{/* The pod of a group of nodes: (dict "root" $ "name" name "group" group). */}}
{{- define "hansa.pod" -}}
{{- $root := .root }}{{ $values := .root.Values }}{{ $group := .group }}
metadata:
  labels:
    {{- include "hansa.selector" $root | nindent 4 }}
    app.kubernetes.io/component: {{ .name }}
    {{- range $group.roles }}
    hansa/{{ . }}: "true"
    {{- end }}
  annotations:
    checksum/settings: {{ printf "%s%s" (toJson $values.connections) (toJson $values.secrets) | sha256sum }}
    {{- with $group.annotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  serviceAccountName: {{ include "hansa.name" $root }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  shareProcessNamespace: true  # Kubernetes' own process 1 reaps what a killed process leaves, and passes on signals from the start
  {{- with $values.image.pullSecrets }}
  imagePullSecrets: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- with $group.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with $group.runtimeClassName }}
  runtimeClassName: {{ . }}
  {{- end }}
  terminationGracePeriodSeconds: {{ $group.graceSeconds }}
  securityContext:
    runAsNonRoot: true
    runAsUser: {{ $values.user }}
    runAsGroup: {{ $values.user }}
    fsGroup: {{ $values.user }}
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile: {{ toJson $values.seccompProfile }}
  topologySpreadConstraints:
    {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "hansa.selector" $root | nindent 10 }}
          app.kubernetes.io/component: {{ $.name }}
    {{- end }}
  {{- with $group.nodeSelector }}
  nodeSelector: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- with $group.tolerations }}
  tolerations: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- with $group.affinity }}
  affinity: {{ toYaml . | nindent 4 }}
  {{- end }}
  containers:
    - name: hansa
      image: {{ include "hansa.image" $root }}
      imagePullPolicy: {{ $values.image.pullPolicy }}
      args: [up, --data, /var/lib/hansa, --host, 0.0.0.0, --port, "8080"]
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
      ports:
        - {name: http, containerPort: 8080}
        {{- if has "scheduler" $group.roles }}
        - {name: channel, containerPort: 8081}
        {{- end }}
      env:
        {{- include "hansa.env" . | nindent 8 }}
      # Until it listens; then whether its event loop turns; then whether calls should be sent to it.
      startupProbe: {httpGet: {path: /health/live, port: http}, periodSeconds: 1, timeoutSeconds: 5, failureThreshold: 300}
      livenessProbe: {httpGet: {path: /health/live, port: http}, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6}
      readinessProbe: {httpGet: {path: /health/ready, port: http}, periodSeconds: 2, timeoutSeconds: 2, failureThreshold: 2}
      # Kubernetes stops sending calls here while this sleeps; then SIGTERM lets runs end.
      lifecycle: {preStop: {sleep: {seconds: {{ $group.drainSeconds }}}}}
      resources: {{ toYaml $group.resources | nindent 8 }}
      volumeMounts:
        - {name: data, mountPath: /var/lib/hansa}
        {{- if $values.connections }}
        - {name: connections, mountPath: /var/lib/hansa/connections.yaml, subPath: connections.yaml, readOnly: true}
        {{- end }}
        {{- if or $values.logSettings $values.authority }}
        - {name: engines, mountPath: /etc/hansa, readOnly: true}
        {{- end }}
  volumes:
    {{- if not $group.storage }}
    - {name: data, emptyDir: {sizeLimit: {{ $group.scratch }}}}
    {{- end }}
    {{- if $values.connections }}
    - {name: connections, configMap: {name: {{ include "hansa.name" $root }}}}
    {{- end }}
    {{- if or $values.logSettings $values.authority }}
    - name: engines
      secret:
        secretName: {{ include "hansa.secret" $root }}
        defaultMode: 0440
        items:
          {{- if $values.logSettings }}
          - {key: kafka.properties, path: kafka.properties}
          {{- end }}
          {{- if $values.authority }}
          - {key: authority.crt, path: authority.crt}
          {{- end }}
    {{- end }}
{{- end }}

{{- define "hansa.env" -}}
{{- $values := .root.Values }}{{ $secret := include "hansa.secret" .root -}}
- {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
- {name: POD_NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
- {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
- {name: HANSA_NODE, value: $(POD_NAME).$(POD_NAMESPACE)}
- {name: HANSA_ADVERTISE, value: $(POD_IP)}
- {name: HANSA_CHANNEL_PORT, value: "8081"}
- {name: HANSA_ROLES, value: {{ join "," .group.roles | quote }}}
{{- with $values.log }}
{{- if .brokers }}
- {name: HANSA_LOG, value: {{ printf "kafka://%s/%s" .brokers .name | quote }}}
- {name: HANSA_REPLICATION, value: {{ .replication | quote }}}
- {name: HANSA_PEPPER, valueFrom: {secretKeyRef: {name: {{ $secret }}, key: pepper}}}
{{- end }}
{{- end }}
{{- if $values.logSettings }}
- {name: HANSA_KAFKA_SETTINGS, value: /etc/hansa/kafka.properties}
{{- end }}
{{- if or $values.log.brokers $values.secrets.database }}
- {name: HANSA_DATABASE, valueFrom: {secretKeyRef: {name: {{ $secret }}, key: database}}}
{{- end }}
{{- with $values.blobs }}
{{- if .url }}
- {name: HANSA_BLOBS, value: {{ .url | quote }}}
- {name: AWS_REGION, value: {{ .region | quote }}}
{{- with .endpoint }}
- {name: AWS_ENDPOINT_URL, value: {{ . | quote }}}
{{- end }}
- {name: AWS_ACCESS_KEY_ID, valueFrom: {secretKeyRef: {name: {{ $secret }}, key: aws-access-key-id, optional: true}}}
- {name: AWS_SECRET_ACCESS_KEY, valueFrom: {secretKeyRef: {name: {{ $secret }}, key: aws-secret-access-key, optional: true}}}
{{- end }}
{{- end }}
{{- range $name, $value := $values.settings }}
- {name: {{ $name }}, value: {{ $value | toString | quote }}}
{{- end }}
{{- with $values.env }}
{{ toYaml . }}
{{- end }}
{{- end }}
