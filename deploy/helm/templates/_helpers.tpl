{{- define "thumbnails.fullname" -}}
{{- if contains "thumbnails" .Release.Name -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-thumbnails" .Release.Name | trunc 40 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{- /* Labels of an object: (dict "root" $ "part" "web"). */ -}}
{{- define "thumbnails.labels" -}}
{{ include "thumbnails.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: thumbnails
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "thumbnails.selector" -}}
app.kubernetes.io/name: thumbnails
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .part }}
{{- end }}

{{- define "thumbnails.metadata" -}}
name: {{ include "thumbnails.fullname" .root }}-{{ .part }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "thumbnails.labels" . | nindent 2 }}
{{- end }}

{{- /* Labels and annotations of a pod: (dict "root" $ "part" "web" "metrics" 9101). */ -}}
{{- define "thumbnails.podMetadata" -}}
labels:
  {{- include "thumbnails.labels" . | nindent 2 }}
annotations:
  checksum/settings: {{ include (print .root.Template.BasePath "/settings.yaml") .root | sha256sum }}
  {{- if and .metrics .root.Values.metrics.enabled .root.Values.metrics.annotations }}
  prometheus.io/scrape: "true"
  prometheus.io/port: {{ .metrics | quote }}
  {{- end }}
{{- end }}

{{- /* (dict "root" $ "image" .Values.images.web) */ -}}
{{- define "thumbnails.image" -}}
{{- if .image.digest -}}
{{ .image.repository }}@{{ .image.digest }}
{{- else -}}
{{ .image.repository }}:{{ .image.tag | default .root.Chart.AppVersion }}
{{- end -}}
{{- end }}

{{- /* YAML reads large whole numbers as floats, which would be written as 2.147483648e+09. */ -}}
{{- define "thumbnails.text" -}}
{{- if and (kindIs "float64" .) (eq . (floor .)) -}}
{{ printf "%.0f" . }}
{{- else -}}
{{ toString . }}
{{- end -}}
{{- end }}

{{- /* What all pods of our images have in common: (dict "root" $). */ -}}
{{- define "thumbnails.pod" -}}
automountServiceAccountToken: false
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "thumbnails.placement" -}}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* Pods of one part on different nodes, if there are as many: (dict "root" $ "part" "web"). */ -}}
{{- define "thumbnails.spread" -}}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "thumbnails.selector" . | nindent 8 }}
{{- end }}

{{- define "thumbnails.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "thumbnails.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- /* The metrics of a process: a port in each pod, which no Service shows. */ -}}
{{- define "thumbnails.metricsEnv" -}}
{{- if .root.Values.metrics.enabled }}
- {name: METRICS_PORT, value: {{ .metrics | quote }}}
- {name: METRICS_HOST, value: 0.0.0.0}
{{- end }}
{{- end }}

{{- define "thumbnails.redisEnv" -}}
{{- if .Values.redis.enabled }}
- {name: REDIS_URL, value: "redis://{{ include "thumbnails.fullname" . }}-redis:6379/0"}
- {name: STATE_REDIS_URL, value: "redis://{{ include "thumbnails.fullname" . }}-state:6379/0"}
{{- end }}
{{- end }}

{{- define "thumbnails.databaseEnv" -}}
{{- if eq .Values.database "postgresql" }}
- name: DATABASE_URL
  valueFrom: {secretKeyRef: {name: {{ .Values.existingSecret }}, key: DATABASE_URL}}
{{- else }}
- {name: DATABASE_URL, value: sqlite:///data/catalogue/thumbnails.db}
{{- end }}
{{- end }}

{{- /* The environment of web process and worker: (dict "root" $ "metrics" 9101). What is set here wins over the Secret. */ -}}
{{- define "thumbnails.environment" -}}
env:
  {{- include "thumbnails.metricsEnv" . | nindent 2 }}
  {{- include "thumbnails.redisEnv" .root | nindent 2 }}
  {{- include "thumbnails.databaseEnv" .root | nindent 2 }}
  {{- if .root.Values.engine.enabled }}
  - {name: CAPTURE_URL, value: {{ include "thumbnails.engineUrls" .root | quote }}}
  - {name: LISTS_EGRESS, value: "{{ include "thumbnails.fullname" .root }}-egress:1080"}
  {{- end }}
  - {name: PERSIST_DIR, value: data/media}
  - {name: ORIGINALS_DIR, value: data/originals}
envFrom:
  - configMapRef: {name: {{ include "thumbnails.fullname" .root }}-settings}
  {{- with .root.Values.existingSecret }}
  - secretRef: {name: {{ . }}}
  {{- end }}
{{- end }}

{{- /* Settings of ours that engine and outlet read too: (dict "root" $ "names" (list "LOG_LEVEL")). */ -}}
{{- define "thumbnails.shared" -}}
{{- $fullname := include "thumbnails.fullname" .root }}
{{- range .names }}
- name: {{ . }}
  valueFrom: {configMapKeyRef: {name: {{ $fullname }}-settings, key: {{ . }}, optional: true}}
{{- end }}
{{- end }}

{{- /* "true" if pictures, originals or the catalogue lie in files. */ -}}
{{- define "thumbnails.files" -}}
{{- if or (eq .Values.database "sqlite") (not .Values.settings.S3_BUCKET) (eq (.Values.settings.ORIGINALS | default "folder") "folder") -}}
true
{{- end -}}
{{- end }}

{{- /* "true" if these files are on a volume that one node alone can mount. */ -}}
{{- define "thumbnails.oneNode" -}}
{{- if and (include "thumbnails.files" .) (eq .Values.persistence.accessMode "ReadWriteOnce") -}}
true
{{- end -}}
{{- end }}

{{- define "thumbnails.dataVolumes" -}}
- name: tmp
  emptyDir: {}
- name: data
  {{- if include "thumbnails.files" . }}
  persistentVolumeClaim:
    claimName: {{ .Values.persistence.existingClaim | default (printf "%s-data" (include "thumbnails.fullname" .)) }}
  {{- else }}
  emptyDir: {}
  {{- end }}
{{- end }}

{{- define "thumbnails.dataMounts" -}}
- {name: tmp, mountPath: /tmp}
- {name: data, mountPath: /app/data}
{{- end }}

{{- define "thumbnails.updates" -}}
{{- if include "thumbnails.oneNode" . -}}
type: Recreate  # the new pod may come to another node, which cannot mount the volume yet
{{- else -}}
type: RollingUpdate
rollingUpdate: {maxUnavailable: 0, maxSurge: 1}
{{- end -}}
{{- end }}

{{- /* SQLite's file is on the volume, so the pods that have it migrate it. For PostgreSQL, a Job does. */ -}}
{{- define "thumbnails.migrateSqlite" -}}
{{- if eq .root.Values.database "sqlite" }}
initContainers:
  - name: migrate
    image: {{ include "thumbnails.image" (dict "root" .root "image" .root.Values.images.web) }}
    imagePullPolicy: {{ .root.Values.imagePullPolicy }}
    command: [python, -m, sites.migrate]
    env:
      {{- include "thumbnails.databaseEnv" .root | nindent 6 }}
    securityContext:
      {{- include "thumbnails.containerSecurity" . | nindent 6 }}
    resources:
      requests: {cpu: 100m, memory: 128Mi}
      limits: {memory: 256Mi}
    volumeMounts:
      {{- include "thumbnails.dataMounts" . | nindent 6 }}
{{- end }}
{{- end }}

{{- define "thumbnails.webPods" -}}
{{- if .Values.web.autoscaling.enabled }}{{ .Values.web.autoscaling.maxReplicas }}{{ else }}{{ .Values.web.replicas }}{{ end -}}
{{- end }}

{{- define "thumbnails.engines" -}}
{{- if .Values.engine.autoscaling.enabled }}{{ .Values.engine.autoscaling.maxReplicas }}{{ else }}{{ .Values.engine.replicas }}{{ end -}}
{{- end }}

{{- /* The addresses of all engines that there may be. One that is not there is left alone. */ -}}
{{- define "thumbnails.engineUrls" -}}
{{- $name := printf "%s-engine" (include "thumbnails.fullname" .) -}}
{{- range $number := until (int (include "thumbnails.engines" .)) -}}
{{- if $number }}, {{ end }}http://{{ $name }}-{{ $number }}.{{ $name }}:8001
{{- end -}}
{{- end }}

{{- define "thumbnails.autoscaler" -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  {{- include "thumbnails.metadata" . | nindent 2 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: {{ .kind }}, name: {{ include "thumbnails.fullname" .root }}-{{ .part }}}
  minReplicas: {{ .scale.minReplicas }}
  maxReplicas: {{ .scale.maxReplicas }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target: {type: Utilization, averageUtilization: {{ .scale.targetCPUUtilizationPercentage }}}
{{- end }}

{{- define "thumbnails.disruptionBudget" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "thumbnails.metadata" . | nindent 2 }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels:
      {{- include "thumbnails.selector" . | nindent 6 }}
{{- end }}

{{- /* The seccomp profile as kubelet finds it. Its name changes with its content, so that nodes never have an old one. */ -}}
{{- define "thumbnails.profile" -}}
{{- if .Values.engine.seccomp.install -}}
thumbnails/{{ .Files.Get "files/seccomp.json" | sha256sum | trunc 12 }}.json
{{- else -}}
{{ .Values.engine.seccomp.localhostProfile }}
{{- end -}}
{{- end }}
