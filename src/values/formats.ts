/** Model formats that run on CPUs alone, as KServe's runtimes serve them. In lower case. */
export const cpuFormats = ['sklearn', 'xgboost', 'lightgbm', 'catboost', 'pmml', 'paddle']
