/** Model formats that KServe's runtimes serve on CPUs only, in lower case. */
export const cpuFormats = ['sklearn', 'xgboost', 'lightgbm', 'catboost', 'pmml', 'paddle']
