"""The dashboard's pages (Streamlit). They ask the API and nothing else."""
