{{- define "hansa.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-{{ .Chart.Name }}{{ end }}
{{- end }}

{{- define "hansa.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "hansa.labels" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{ include "hansa.selector" . }}
{{- end }}

{{- define "hansa.secret" -}}
{{ .Values.secrets.existing | default (include "hansa.name" .) }}
{{- end }}

{{- define "hansa.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{/* The groups of nodes as YAML, each with what `node` says where it says nothing. */}}
{{- define "hansa.groups" -}}
{{- range $name, $group := .Values.nodes }}
{{- if $group }}
{{ $name }}: {{ mergeOverwrite (deepCopy $.Values.node) $group | toJson }}
{{- end }}
{{- end }}
{{- end }}

{{/* What cannot work is refused before anything is installed. */}}
{{- define "hansa.check" -}}
{{- $groups := include "hansa.groups" . | fromYaml }}
{{- $roles := list }}{{ $most := 0 }}
{{- range $groups }}
{{- $roles = concat $roles .roles }}
{{- $most = add $most (.autoscaling.max | default .replicas) }}
{{- if lt (int .graceSeconds) (add (int .drainSeconds) 20) }}
{{- fail "graceSeconds leaves less than 20 seconds behind drainSeconds: a node takes up to 20 to end its runs and its log." }}
{{- end }}
{{- end }}
{{- range list "api" "worker" "scheduler" }}
{{- if not (has . $roles) }}{{ fail (printf "No group of nodes has the role %s: one must." .) }}{{ end }}
{{- end }}
{{- if .Values.log.brokers }}
{{- if not .Values.blobs.url }}{{ fail "log.brokers is set and blobs.url is not: nodes that share a log share bundles, s3://BUCKET/PREFIX." }}{{ end }}
{{- if not (or .Values.secrets.existing .Values.secrets.database) }}{{ fail "log.brokers is set and no database: name secrets.existing, or set secrets.database." }}{{ end }}
{{- else if or (gt (int $most) 1) (gt (len $groups) 1) }}
{{- fail "More than one node, and no log that they share: set log.brokers." }}
{{- else if not (get $groups (keys $groups | first)).storage }}
{{- fail "A node without log.brokers keeps its log in its volume: set its storage." }}
{{- end }}
{{- end }}
