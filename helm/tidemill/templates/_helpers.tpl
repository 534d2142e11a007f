{{- define "tidemill.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "tidemill.selectorLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "tidemill.labels" -}}
{{ include "tidemill.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | quote }}
{{- end -}}

{{- define "tidemill.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "tidemill.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "tidemill.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{/* The service file: configFile word for word, or config. */}}
{{- define "tidemill.config" -}}
{{- if and .Values.configFile .Values.config -}}
{{- fail "configFile and config are both given: the service file comes from one of them" -}}
{{- else if .Values.configFile -}}
{{- .Values.configFile -}}
{{- else if .Values.config.name -}}
{{- toYaml .Values.config -}}
{{- else -}}
{{- fail "there is no service file: --set-file configFile=tidemill.yaml, or put its settings under config (see values.yaml)" -}}
{{- end -}}
{{- end -}}

{{/* A duration of the service file (15s, 500ms, 2m, 1h) in whole seconds, rounded up. */}}
{{- define "tidemill.seconds" -}}
{{- $number := regexFind "^[0-9]+(\\.[0-9]+)?" . | float64 -}}
{{- $unit := default "s" (regexFind "[a-z]+$" .) -}}
{{- ceil (mulf $number (get (dict "ms" 0.001 "s" 1 "m" 60 "h" 3600 "d" 86400) $unit)) | int -}}
{{- end -}}

{{/* Fails where a pod would be killed before a transaction under way can end. The key `null` is no key to this parser. */}}
{{- define "tidemill.gracePeriod" -}}
{{- $config := regexReplaceAll "([{,\\s])null:" (include "tidemill.config" .) "${1}\"null\":" | fromYaml -}}
{{- if hasKey $config "Error" -}}
{{- fail (printf "configFile is not YAML: %s" $config.Error) -}}
{{- end -}}
{{- $timeout := dig "timeout" "15s" (default dict $config.transaction) -}}
{{- $least := add 10 (include "tidemill.seconds" $timeout) -}}
{{- if lt (int .Values.terminationGracePeriodSeconds) (int $least) -}}
{{- fail (printf "terminationGracePeriodSeconds is %v, and a transaction may take %s: make it at least %v" .Values.terminationGracePeriodSeconds $timeout $least) -}}
{{- end -}}
{{- .Values.terminationGracePeriodSeconds -}}
{{- end -}}
