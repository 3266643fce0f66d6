"""Routes of articles.

Belongs here: paths, parameters. Does not belong here: numbers (`reading/articles.py`).
"""

from typing import Annotated

from fastapi import APIRouter, Query

from media_analytics.dashboard.answers import Page
from media_analytics.dashboard.api.parameters import Cursor, Limit, part
from media_analytics.dashboard.api.reports import Brands, First, Last, People, dates, known
from media_analytics.dashboard.article_answers import ArticleFound, ArticleLife
from media_analytics.dashboard.reading.articles import Articles, OneArticle, Search

Words = Annotated[
    str, Query(max_length=200, description="Part of a headline, an id or a path; empty for all.")
]
Brand = Annotated[str, Query(description="The publication.")]
Key = Annotated[str, Query(max_length=8192, description="`page_key` of an article that was found.")]


def router(articles: Articles, brands: tuple[str, ...]) -> APIRouter:
    """The routes over these readings."""
    routes = APIRouter(prefix="/v1/articles", tags=["articles"])

    @routes.get("")
    def search_articles(
        search: Words = "",
        first: First = None,
        last: Last = None,
        brand: Brands = None,
        who: People = "human",
        limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Page[ArticleFound]:
        """Articles by their words, most page views first; the first 200."""
        wanted = Search(search.strip(), dates(first, last), known(brands, brand), who)
        return part(articles.search(wanted), limit, cursor)

    @routes.get("/one")
    def one_article(
        brand: Brand, page_key: Key, first: First = None, last: Last = None, who: People = "human"
    ) -> ArticleLife:
        """One article's life: measures by date beside those before, sources, the first 24 hours."""
        known(brands, [brand])
        return articles.life(OneArticle(brand, page_key, dates(first, last), who))

    return routes
