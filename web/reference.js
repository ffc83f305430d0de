"use strict";

// The whole reference is made from what this very server says of itself.
window.addEventListener("load", () => {
    SwaggerUIBundle({
        url: "/openapi.json",
        dom_id: "#reference",
        deepLinking: true,
        filter: true,
        persistAuthorization: false,
        tryItOutEnabled: true,
        validatorUrl: null,
    });
});
