# AS-GCN: structural and inferred links, recognition and forecast; trained in two phases
model = dict(name="asgcn")
