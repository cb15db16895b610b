{{/* The image, by its digest if there is one. */}}
{{- define "warmgate.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{/* With scope Cluster: all namespaces but those that opted out. */}}
{{- define "warmgate.optOut" -}}
{{- if eq .Values.scope "Cluster" -}}
- key: warmgate.dev/acceleration
  operator: NotIn
  values: [disabled]
{{- end -}}
{{- end }}
